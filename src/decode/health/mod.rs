//! Formats of health care: messages of hospitals (HL7 version 2) and medical images (DICOM).
//!
//! Both name their fields by position or number; here they go by words, so that the name is evidence. FHIR needs no reader:
//! it is JSON or XML.

pub(super) mod dicom;

pub(super) mod hl7;
